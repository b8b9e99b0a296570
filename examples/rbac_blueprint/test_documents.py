import pytest


@pytest.fixture
def document(writer):
    return writer.post("/documents/", json={"text": "Hello"}).get_json()


def test_a_writer_creates_and_reads(writer, document):
    assert document["owner"] == "auth0|ada"
    assert writer.get("/documents/").get_json() == {"documents": [document]}
    assert writer.get(f"/documents/{document['id']}").get_json() == document


def test_a_writer_does_not_see_what_others_write(auth0_client, document):
    other = auth0_client(sub="auth0|bob", permissions=["read:documents"])
    assert other.get("/documents/").get_json() == {"documents": []}
    assert other.get(f"/documents/{document['id']}").status_code == 404


def test_an_archivist_sees_all_and_deletes(archivist, document):
    assert archivist.get("/documents/").get_json() == {"documents": [document]}
    assert archivist.delete(f"/documents/{document['id']}").status_code == 204
    assert archivist.get(f"/documents/{document['id']}").status_code == 404


def test_a_writer_does_not_delete(writer, document):
    response = writer.delete(f"/documents/{document['id']}")
    assert (response.status_code, response.get_json()["code"]) == (403, "insufficient_permissions")
    assert writer.get(f"/documents/{document['id']}").status_code == 200


def test_a_scope_is_not_a_permission(auth0_client):
    """Any application may ask for a scope; a permission is what Auth0 has given to the user."""
    response = auth0_client(scope="read:documents").get("/documents/")
    assert (response.status_code, response.get_json()["code"]) == (403, "insufficient_permissions")


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/"), ("GET", "/1"), ("DELETE", "/1")])
def test_nothing_else_is_open(app, method, path):
    response = app.test_client().open(f"/documents{path}", method=method)
    assert (response.status_code, response.get_json()["code"]) == (401, "authorization_header_missing")


def test_what_is_open_is_open(app):
    assert app.test_client().get("/documents/formats").status_code == 200


def test_a_body_that_is_no_document_is_refused(writer):
    assert writer.post("/documents/", json={"text": 1}).status_code == 400
    assert writer.post("/documents/", data="text").status_code == 415
