"""What ``flask auth0 inspect`` looks at: the unverified content, the verifier's steps, and the usual mistakes."""
