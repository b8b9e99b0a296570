from auth0_blueprint import current_token
from flask.views import MethodView
from flask_smorest import Blueprint, abort
from marshmallow import Schema, fields, validate

from security import needs_scope

messages = Blueprint("messages", __name__, url_prefix="/messages", description="Messages of users")
_stored = []  # in place of a database


class Message(Schema):
    id = fields.Integer(dump_only=True)
    author = fields.String(dump_only=True)
    text = fields.String(required=True, validate=validate.Length(1, 280))


@messages.route("/")
class Messages(MethodView):
    # The guard comes first: callers are known before their input is looked at.
    @needs_scope(messages, "read:messages")
    @messages.response(200, Message(many=True))
    def get(self):
        """List all messages"""
        return _stored

    @needs_scope(messages, "write:messages")
    @messages.arguments(Message)
    @messages.response(201, Message)
    def post(self, message):
        """Write a message"""
        _stored.append({**message, "id": len(_stored), "author": current_token.subject})
        return _stored[-1]


@messages.route("/<int:number>")
@needs_scope(messages, "read:messages")
@messages.response(200, Message)
@messages.alt_response(404, description="There is no such message.")
def read(number):
    """Read one message"""
    if number >= len(_stored):
        abort(404, message="There is no such message.")
    return _stored[number]
