from app import create_app

PAGE = "http://localhost:3000"


def test_a_preflight_needs_no_token(app):
    """A browser asks it before it sends the header, and never with one."""
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    response = app.test_client().options("/api/messages", headers={"Origin": PAGE, **asked})
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert response.headers["Access-Control-Allow-Headers"].lower() == "authorization"


def test_the_page_can_read_why_it_was_refused(auth0_client):
    response = auth0_client(scope="openid").get("/api/messages", headers={"Origin": PAGE})
    assert response.status_code == 403
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]


def test_the_page_can_read_when_to_come_back(auth0_issuer, auth0_token):
    app = create_app(auth0_issuer.settings)
    headers = {"Origin": PAGE, "Authorization": f"Bearer {auth0_token(scope='read:messages')}"}
    with auth0_issuer.outage():
        response = app.test_client().get("/api/messages", headers=headers)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Retry-After" in response.headers["Access-Control-Expose-Headers"]


def test_other_pages_are_not_let_in(auth0_client):
    elsewhere = {"Origin": "https://elsewhere.example.com"}
    response = auth0_client(scope="read:messages").get("/api/messages", headers=elsewhere)
    assert "Access-Control-Allow-Origin" not in response.headers
