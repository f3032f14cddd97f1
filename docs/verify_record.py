#!/usr/bin/env python3
"""Checks what `fingerpost record export ORG` prints, and lists what the organisation publishes.

    fingerpost record export ORG | python3 docs/verify_record.py
    python3 docs/verify_record.py FILE

This is a second, independent reading of docs/protocol/: it shares no code with the node. It needs
Python 3.9 and the package `cryptography` (for Ed25519) and nothing else. It exits with 0 if every
record holds, and with 1 and the reason if one does not.
"""

import base64
import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

STATE_MAX_BYTES = 256 * 1024
RECORD_MAX_BYTES = 1024
SAW_MAX_WRITERS = 15
HEADS_MAX = 4
ROLES = {0: "editor", 1: "admin"}


class Refused(Exception):
    """Why a record does not hold."""


# --- deterministic CBOR: docs/protocol/records.md ---


def decode_cbor(data):
    """The one item that fills `data`, which must be in the deterministic form."""
    value, end = decode_item(data, 0)
    if end != len(data):
        raise Refused("there are bytes after the CBOR item")
    return value


def decode_item(data, at):
    """The item that begins at `at`, and where it ends."""
    if at >= len(data):
        raise Refused("the CBOR is cut short")
    major, short = data[at] >> 5, data[at] & 0x1F
    if major == 7 and short == 22:
        return None, at + 1
    number, at = decode_number(data, at + 1, short)
    if major == 0:
        return number, at
    if major in (2, 3):
        end = at + number
        if end > len(data):
            raise Refused("the CBOR is cut short")
        return (data[at:end] if major == 2 else data[at:end].decode("utf-8")), end
    if major == 4:
        items = []
        for _ in range(number):
            item, at = decode_item(data, at)
            items.append(item)
        return items, at
    raise Refused("a kind of CBOR that records do not use")


def decode_number(data, at, short):
    """The number in an item's head, which must be in its shortest form."""
    if short < 24:
        return short, at
    if short > 27:
        raise Refused("CBOR of indefinite length")
    size = 1 << (short - 24)
    if at + size > len(data):
        raise Refused("the CBOR is cut short")
    number = int.from_bytes(data[at : at + size], "big")
    least = 24 if size == 1 else 1 << (size * 4)
    if number < least:
        raise Refused("a CBOR number that is not in its shortest form")
    return number, at + size


# --- identifiers: docs/protocol/identifiers.md ---

LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def bech32m(prefix, data):
    """The text form of an identifier (BIP-350)."""
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    head = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    check = polymod(head + values + [0] * 6) ^ 0x2BC830A3
    values += [check >> (5 * (5 - at)) & 31 for at in range(6)]
    return prefix + "1" + "".join(LETTERS[value] for value in values)


def polymod(values):
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= term if top >> bit & 1 else 0
    return check


# --- signed statements: docs/protocol/records.md, docs/protocol/certificates.md ---


def split_signed(data, what, count, optional=0):
    """The payload and signature of a signed statement, and the fields of the payload. Absent fields
    at the end are left out of the array, so the last `optional` ones need not be there."""
    if len(data) > RECORD_MAX_BYTES:
        raise Refused(f"the {what} is larger than {RECORD_MAX_BYTES} bytes")
    carried = decode_cbor(data)
    if not (isinstance(carried, list) and len(carried) == 2):
        raise Refused(f"the {what} is not a payload with its signature")
    payload, signature = carried
    if not isinstance(payload, bytes):
        raise Refused(f"the {what} has no payload")
    check_bytes(signature, 64, f"the signature of the {what}")
    fields = decode_cbor(payload)
    if not (isinstance(fields, list) and count - optional <= len(fields) <= count):
        raise Refused(f"the {what} has not {count} fields")
    if optional and fields[-1] is None:
        raise Refused(f"the {what} writes out an absent field at its end")
    fields += [None] * (count - len(fields))
    if fields[0] != 1:
        raise Refused(f"the {what} is of format {fields[0]}; this program reads format 1")
    return payload, signature, fields


def check_signature(key, domain, payload, signature, what):
    """Ed25519 over the domain, a zero byte, and the payload as it was carried."""
    message = domain.encode() + b"\0" + payload
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused(f"the signature of the {what} does not fit") from None


def check_bytes(value, length, what):
    if not (isinstance(value, bytes) and len(value) == length):
        raise Refused(f"{what} is not {length} bytes")
    return value


def check_number(value, what):
    if not isinstance(value, int):
        raise Refused(f"{what} is not a number")
    return value


def read_record(data):
    """The fields of a record, its own signature checked."""
    payload, signature, fields = split_signed(data, "record", 11, optional=1)
    _, org, document, writer, seq, saw, heads, state_hash, state_bytes, issued_at_s, generation = fields
    check_bytes(org, 32, "the organisation")
    if not (isinstance(writer, list) and len(writer) == 2):
        raise Refused("the writer is not a node with its instance")
    node = check_bytes(writer[0], 32, "the node")
    check_bytes(writer[1], 8, "the instance")
    if check_number(seq, "the sequence number") == 0:
        raise Refused("the sequence number is 0; they count from 1")
    check_saw(saw, writer)
    hashes = [check_bytes(head, 32, "a head") for head in heads]
    if len(hashes) > HEADS_MAX or hashes != sorted(set(hashes)):
        raise Refused("the heads are out of order or too many")
    check_bytes(state_hash, 32, "the hash of the state")
    if check_number(state_bytes, "the length of the state") > STATE_MAX_BYTES:
        raise Refused("the record announces a state over the limit")
    if generation is not None and check_number(generation, "the generation") == 0:
        raise Refused("the generation is 0; they count from 1")
    check_signature(node, "fingerpost/record/1", payload, signature, "record")
    return {
        "id": hashlib.sha256(payload).digest(),
        "org": org,
        "document": document,
        "node": node,
        "seq": seq,
        "state_hash": state_hash,
        "state_bytes": state_bytes,
        "issued_at_s": check_number(issued_at_s, "the date"),
    }


def check_saw(saw, writer):
    places = []
    for seen in saw:
        (node, instance), seq = seen
        check_bytes(node, 32, "a node in saw")
        check_bytes(instance, 8, "an instance in saw")
        if check_number(seq, "a number in saw") == 0:
            raise Refused("a number in saw is 0")
        places.append([node, instance])
    in_order = all(a < b for a, b in zip(places, places[1:]))
    if len(places) > SAW_MAX_WRITERS or not in_order or list(writer) in places:
        raise Refused("the list of merged writers is out of order or too long")


def check_delegation(data, record):
    """That the organisation's root key lets this node write this document at that time."""
    payload, signature, fields = split_signed(data, "delegation", 6, optional=1)
    _, org, node, role, not_before_s, not_after_s = fields
    check_bytes(org, 32, "the organisation of the delegation")
    check_signature(org, "fingerpost/delegation/1", payload, signature, "delegation")
    if org != record["org"] or node != record["node"]:
        raise Refused("the delegation is of another organisation or node")
    at_s = record["issued_at_s"]
    if at_s < not_before_s or (not_after_s is not None and at_s >= not_after_s):
        raise Refused("the delegation did not hold when the record was issued")
    if role not in ROLES or (ROLES[role] == "editor" and record["document"] == "card"):
        raise Refused(f"a node with this role may not write the {record['document']}")


def check_state(data, record):
    """The state as JSON, if it is the one that the record vouches for."""
    if len(data) != record["state_bytes"] or hashlib.sha256(data).digest() != record["state_hash"]:
        raise Refused("the state does not match its record")
    state = json.loads(data)
    kind = record["document"].split("/")[0]
    if state.get("format") != 1 or state.get("kind") != kind:
        raise Refused(f"the state is not a {kind} of format 1")
    return state


# --- the export ---


def unbase64(item, name):
    if not item.get(name):
        raise Refused(f"the export has no {name}")
    try:
        return base64.b64decode(item[name], validate=True)
    except ValueError:
        raise Refused(f"the {name} is not base64") from None


def show(record, state):
    print(f"{record['document']} of {bech32m('org', record['org'])}")
    print(f"  record {bech32m('rec', record['id'])}, number {record['seq']}")
    print(f"  signed by {bech32m('node', record['node'])}")
    names = [state.get("name"), state.get("organization", {}).get("name")]
    for name in filter(None, names):
        print(f"  organisation: {name}")
    for service in state.get("services", []):
        print(f"  service: {service['name']} ({service['id']})")


def verify(export):
    """Checks all items of an export, then prints them."""
    if export.get("format") != 1:
        raise Refused("this is not an export of format 1")
    verified = []
    for number, item in enumerate(export["items"], 1):
        try:
            record = read_record(unbase64(item, "record"))
            check_delegation(unbase64(item, "delegation"), record)
            verified.append((record, check_state(unbase64(item, "state"), record)))
        except Refused as reason:
            raise Refused(f"item {number}: {reason}") from None
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise Refused(f"item {number} is not what a node sends: {error}") from None
    for record, state in verified:
        show(record, state)
    print(f"{len(verified)} records hold")


def main(arguments):
    try:
        if len(arguments) > 1:
            with open(arguments[1], "rb") as file:
                export = json.load(file)
        else:
            export = json.load(sys.stdin.buffer)
        verify(export)
    except Refused as reason:
        print(f"refused: {reason}", file=sys.stderr)
        return 1
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"this is not what `fingerpost record export` prints: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
