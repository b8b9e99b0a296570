"""A blueprint that is guarded as a whole; each view then names the permission that it needs besides."""

from uuid import uuid4

from auth0_blueprint import current_token, has_permission, protect, public, requires_permission
from flask import Blueprint, abort, current_app, request

documents = Blueprint("documents", __name__)
protect(documents)  # a view that is forgotten below is not open: it takes any valid token, and no request without one


def stored():
    return current_app.extensions["documents"]


def own(document):
    return document["owner"] == current_token.subject


@documents.get("/formats")
@public
def formats():
    """Open to everybody, and said to be."""
    return {"formats": ["text/plain"]}


@documents.get("/")
@requires_permission("read:documents")
def index():
    """One's own documents; whoever may read all of them gets all."""
    sees_all = has_permission("read:all_documents")
    return {"documents": [document for document in stored().values() if sees_all or own(document)]}


@documents.post("/")
@requires_permission("create:documents")
def create():
    body = request.get_json()
    if not isinstance(body, dict) or not isinstance(body.get("text"), str):
        abort(400, "The body must be a JSON object with a text.")
    document = {"id": uuid4().hex, "owner": current_token.subject, "text": body["text"]}
    stored()[document["id"]] = document
    return document, 201


@documents.get("/<identifier>")
@requires_permission("read:documents")
def read(identifier):
    document = stored().get(identifier)
    # What is not theirs does not exist for them: a 403 would tell that it does.
    if document is None or not (own(document) or has_permission("read:all_documents")):
        abort(404, "There is no such document.")
    return document


@documents.delete("/<identifier>")
@requires_permission("delete:documents")
def delete(identifier):
    if stored().pop(identifier, None) is None:
        abort(404, "There is no such document.")
    return "", 204
