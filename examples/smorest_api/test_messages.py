import pytest

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def document(app):
    return app.test_client().get("/openapi.json").get_json()


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield method, path, item[method]


def test_a_message_is_written_and_read(auth0_client):
    writer = auth0_client(scope="write:messages", sub="auth0|ada")
    written = writer.post("/messages/", json={"text": "Hello"}).get_json()
    assert (written["author"], written["text"]) == ("auth0|ada", "Hello")
    reader = auth0_client(scope="read:messages")
    assert reader.get(f"/messages/{written['id']}").get_json() == written
    assert written in reader.get("/messages/").get_json()


def test_reading_is_not_writing(auth0_client):
    response = auth0_client(scope="read:messages").post("/messages/", json={"text": "Hello"})
    assert (response.status_code, response.get_json()["code"]) == (403, "insufficient_scope")
    assert 'scope="write:messages"' in response.headers["WWW-Authenticate"]


def test_callers_are_known_before_their_input_is_looked_at(app, auth0_client):
    assert app.test_client().post("/messages/", json={"text": 1}).status_code == 401
    assert auth0_client(scope="write:messages").post("/messages/", json={"text": 1}).status_code == 422


def test_every_operation_is_guarded_as_the_document_says(document, app, auth0_client):
    """Also the one that is added next year."""
    found = list(operations(document))
    assert len(found) == 3
    for method, path, operation in found:
        path = path.replace("{number}", "0")
        (requirement,) = operation["security"]
        assert {"401", "403", "503"} <= operation["responses"].keys()
        assert app.test_client().open(path, method=method).status_code == 401
        assert auth0_client(scope="openid").open(path, method=method).status_code == 403
        admitted = auth0_client(scope=" ".join(requirement["Auth0"])).open(path, method=method)
        assert admitted.status_code not in {401, 403}


def test_the_document_names_the_scheme(document):
    assert document["openapi"] == "3.1.0"
    assert document["components"]["securitySchemes"]["Auth0"]["scheme"] == "bearer"
