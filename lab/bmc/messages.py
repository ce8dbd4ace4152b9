"""What the service says beside a status code: messages of DMTF's Base registry, and error bodies made of them."""

from __future__ import annotations

from collections.abc import Iterable

from lab.bmc.odata import Json

# Base.1.18: (severity, message with %1 %2.., resolution). Only the messages that this service sends.
MESSAGES = {
    "Success": ("OK", "The request completed successfully.", "None."),
    "NoOperation": ("Warning", "The request body submitted contain no data to act upon.", "Add properties."),
    "AccessUnauthorized": ("Critical", "The user name, password or token is not valid.", "Check the credentials."),
    "NoValidSession": (
        "Critical",
        "There is no valid session established with the implementation.",
        "Establish a session.",
    ),
    "InsufficientPrivilege": (
        "Critical",
        "There are insufficient privileges to perform the requested operation.",
        "Use an account with more privileges.",
    ),
    "ResourceMissingAtURI": ("Critical", "The resource at the URI '%1' was not found.", "Provide another URI."),
    "ResourceAlreadyExists": ("Critical", "A resource with the value '%1' already exists.", "Choose another value."),
    "OperationNotAllowed": ("Critical", "The HTTP method is not allowed on this resource.", "Use an allowed method."),
    "QueryParameterUnsupported": (
        "Warning",
        "Query parameter '%1' is not supported.",
        "Correct or remove the query parameter.",
    ),
    "QueryParameterValueFormatError": (
        "Warning",
        "The value '%1' for the query parameter '%2' is not of a usable format.",
        "Correct the query parameter.",
    ),
    "MalformedJSON": ("Critical", "The request body submitted is not a valid JSON object.", "Correct the body."),
    "PropertyUnknown": ("Warning", "The property %1 is not in the list of valid properties.", "Remove it."),
    "PropertyNotWritable": ("Warning", "The property %1 is a read-only property and cannot be changed.", "Remove it."),
    "PropertyMissing": ("Warning", "The property %1 is required and must be included in the request.", "Add it."),
    "PropertyValueNotInList": ("Warning", "The value '%1' for the property %2 is not acceptable.", "Choose another."),
    "PropertyValueTypeError": ("Warning", "The value '%1' for the property %2 is of another type.", "Correct it."),
    "PropertyValueFormatError": ("Warning", "The value '%1' for the property %2 has another format.", "Correct it."),
    "ActionParameterMissing": ("Critical", "The action %1 requires the parameter %2.", "Supply the parameter."),
    "ActionParameterValueFormatError": (
        "Warning",
        "The value '%1' for the parameter %2 in the action %3 is not usable.",
        "Correct the value.",
    ),
    "OperationFailed": ("Critical", "An error occurred internal to the service: %1", "See the message."),
    "CouldNotEstablishConnection": (
        "Critical",
        "The service failed to read from the URI '%1': %2",
        "Ensure that the URI is reachable from the BMC.",
    ),
    "ResourceInUse": ("Warning", "The change to the requested resource failed: %1", "Remove the condition and retry."),
    "PreconditionFailed": (
        "Critical",
        "The ETag supplied did not match the ETag required to change this resource, or none was supplied.",
        "Read the resource and send its ETag in If-Match.",
    ),
    "ServiceTemporarilyUnavailable": (
        "Critical",
        "The service is temporarily unavailable. Retry in %1 seconds.",
        "Wait and retry.",
    ),
    "HeaderInvalid": ("Critical", "The header %1 has a value that is not supported.", "Correct the header."),
    "GeneralError": ("Critical", "A general error has occurred: %1", "See the message."),
}


def message(key: str, *arguments: object, related: Iterable[str] = ()) -> Json:
    """One extended message of the Base registry; ``related`` are JSON pointers to the properties it is about."""
    severity, text, resolution = MESSAGES[key]
    for number, argument in enumerate(arguments, 1):
        text = text.replace(f"%{number}", str(argument))
    body: Json = {
        "@odata.type": "#Message.v1_1_2.Message",
        "MessageId": f"Base.1.18.{key}",
        "Message": text,
        "MessageArgs": [str(argument) for argument in arguments],
        "Severity": severity,
        "MessageSeverity": severity,
        "Resolution": resolution,
    }
    if pointers := list(related):
        body["RelatedProperties"] = pointers
    return body


def error(*messages: Json) -> Json:
    """A Redfish error body with these extended messages."""
    return {
        "error": {
            "code": messages[0]["MessageId"],
            "message": messages[0]["Message"],
            "@Message.ExtendedInfo": list(messages),
        }
    }
