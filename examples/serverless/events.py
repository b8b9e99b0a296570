"""Events as AWS sends them, for tests: format 1.0 (REST APIs) and 2.0 (HTTP APIs, URLs of functions)."""


def event_v1(path, authorization=None, **headers):
    given = {"Accept": "*/*", "Host": "abc123.execute-api.eu-central-1.amazonaws.com", "X-Forwarded-Proto": "https"}
    given |= {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Port": "443", **headers}
    given |= {"Authorization": authorization} if authorization else {}
    return {
        "version": "1.0",
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": "GET",
        "headers": given,
        "multiValueHeaders": {name: [value] for name, value in given.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": given["Host"],
            "httpMethod": "GET",
            "identity": {"sourceIp": "203.0.113.9", "userAgent": "curl/8.9.1"},
            "path": f"/prod{path}",
            "protocol": "HTTP/1.1",
            "requestId": "JKJaXmPLvHcESHA=",
            "resourcePath": "/{proxy+}",
            "stage": "prod",
        },
        "body": None,
        "isBase64Encoded": False,
    }


def event_v2(path, authorization=None, **headers):
    given = {"accept": "*/*", "host": "abc123.execute-api.eu-central-1.amazonaws.com", "x-forwarded-proto": "https"}
    given |= {"x-forwarded-for": "203.0.113.9", "x-forwarded-port": "443"}
    given |= {name.lower(): value for name, value in headers.items()}
    given |= {"authorization": authorization} if authorization else {}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": given,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": given["host"],
            "domainPrefix": "abc123",
            "http": {
                "method": "GET",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.9",
                "userAgent": "curl/8.9.1",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "30/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1796040000000,
        },
        "isBase64Encoded": False,
    }
