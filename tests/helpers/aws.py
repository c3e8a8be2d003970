"""A guard before a Bedrock upstream that checks who signed a request, as AWS does: it computes the signature again."""

from __future__ import annotations

import re
from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.helpers.upstream import Answer, Responder, answer
from tests.helpers.wire import Message

BEARER = "bedrock-api-key-of-the-tests"
SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)"
)


def guarded(respond: Responder, operator: Mapping[str, str], host: str) -> Responder:
    """`respond`, for requests that carry the bearer key or the operator's signature of `host`; the others get 403 with the reason."""

    def guard(request: Message) -> Answer:
        why = refusal(request, operator, host)
        if why is None:
            return respond(request)
        body = f'{{"message":"The request signature we calculated does not match: {why}"}}'.encode()
        return answer(
            403, [("Content-Type", "application/json"), ("x-amzn-ErrorType", "InvalidSignatureException")], body, reason="Forbidden"
        )

    return guard


def refusal(request: Message, operator: Mapping[str, str], host: str) -> str | None:
    """Why AWS would refuse a request, None where it would not."""
    given = request.get("authorization") or ""
    if given == f"Bearer {BEARER}":
        return None
    found = SIGNED.fullmatch(given)
    if not found:
        return f"no signature in {len(request.all('authorization'))} Authorization headers"
    key, day, region, service, names, signature = found.groups()
    if key != operator["AWS_ACCESS_KEY_ID"]:
        return f"unknown key {key}"
    if request.all("host") != [host]:
        return f"Host is {request.all('host')}"
    if request.all("x-amz-security-token") != [operator["AWS_SESSION_TOKEN"]]:
        return "the session token is not the operator's"
    stamp = request.get("x-amz-date") or ""
    if not stamp.startswith(day):
        return "X-Amz-Date and scope differ"
    headers = {name: ",".join(request.all(name)) for name in names.split(";")}
    missing = {"host", "x-amz-date", "x-amz-security-token"} - set(headers)
    if missing:
        return f"{sorted(missing)} are not signed"
    again = AWSRequest(request.method, f"https://{host}{request.target}", headers=headers, data=bytes(request.body))
    again.context["timestamp"] = stamp
    signer = SigV4Auth(Credentials(key, operator["AWS_SECRET_ACCESS_KEY"]), service, region)
    canonical = signer.canonical_request(again)
    expected = signer.signature(signer.string_to_sign(again, canonical), again)
    return None if expected == signature else "signature differs"
