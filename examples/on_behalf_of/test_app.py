def test_billing_knows_the_user_and_who_asks(auth0_client):
    response = auth0_client(scope="read:orders", sub="auth0|ada").get("/orders/7")
    invoice = {"invoice": "7", "of": "auth0|ada", "asked_by": "orders-api"}
    assert response.get_json() == {"order": "7", "of": "auth0|ada", "invoice": invoice}


def test_a_second_request_needs_no_second_exchange(auth0_client, auth0_issuer):
    client = auth0_client(scope="read:orders")
    assert [client.get("/orders/7").status_code for _ in range(2)] == [200, 200]
    assert len(auth0_issuer.token_endpoint.requests) == 1


def test_whoever_has_no_scope_causes_no_exchange(auth0_client, auth0_issuer):
    assert auth0_client(scope="openid").get("/orders/7").status_code == 403
    assert auth0_issuer.token_endpoint.requests == []


def test_a_refused_exchange_is_not_the_callers_fault(auth0_client, auth0_issuer):
    client = auth0_client(scope="read:orders")
    with auth0_issuer.token_endpoint.failing(403, "access_denied"):
        response = client.get("/orders/7")
        summary = client.get("/orders/7/summary")
    assert (response.status_code, response.get_json()["code"]) == (502, "token_exchange_failed")
    assert "WWW-Authenticate" not in response.headers
    assert summary.get_json() == {"order": "7", "invoice": None}


def test_what_needs_no_user_has_a_token_of_the_api(app):
    result = app.test_cli_runner().invoke(args=["close-month"])
    assert result.exit_code == 0, result.output
