def test_whoever_has_the_scope_reads(auth0_client):
    response = auth0_client(scope="read:messages", sub="auth0|ada").get("/api/messages")
    assert response.get_json() == {"subject": "auth0|ada"}


def test_whoever_lacks_the_scope_does_not(auth0_client):
    response = auth0_client(scope="openid").get("/api/messages")
    assert (response.status_code, response.get_json()["code"]) == (403, "insufficient_scope")


def test_an_expired_token_is_refused(auth0_client):
    response = auth0_client(scope="read:messages", expires_in=-60).get("/api/messages")
    assert (response.status_code, response.get_json()["code"]) == (401, "token_expired")


def test_nobody_reads_without_a_token(app):
    response = app.test_client().get("/api/messages")
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
