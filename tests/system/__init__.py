"""The package behind a real nginx: `make test-system`. The other tests run without one."""
