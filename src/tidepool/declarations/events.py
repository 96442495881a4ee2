"""Event subscriptions of Event Grid."""

from tidepool.declarations.metadata import IDENTITY, LOCATED, RESOURCE
from tidepool.declarations.words import (
    ANY,
    Shape,
    Table,
    choice,
    items,
    read_only,
    refused,
    stored,
    unlisted,
    used,
)

_DELIVERED = "integration/tidepool_eventgrid::an_event_reaches_a_webhook_that_shook_hands"
_FUNCTION = "integration/tidepool_functions::event_grid_delivers_to_a_function_and_tries_again"
_BATCHES = "integration/tidepool_topics::a_batch_stays_below_its_preferred_size"
_OPERATORS = "unit/tidepool_filters::operators"
_SUBJECT = "unit/tidepool_filters::subject"
_DEAD = "integration/tidepool_eventgrid::an_undeliverable_event_becomes_a_dead_letter_five_minutes_later"
_CLOUD_EVENTS = "integration/tidepool_topics::cloud_events_go_out_as_the_subscription_wants_them"

_HEADERS = "deliveries have no headers of the subscription"
# https://learn.microsoft.com/azure/event-grid/security-authentication
_WITHOUT_TOKEN = (
    "Azure delivers with an identity to hubs, queues and blobs, and not to functions and webhooks"
)
_ELSEWHERE = "events are delivered to functions, storage queues and webhooks only"
_QUEUE = "integration/tidepool_topic_identities::events_reach_a_queue_as_the_topic"
_AS_TOPIC = "integration/tidepool_topic_identities::dead_letters_are_written_as_the_topic"
_ENDS = "integration/tidepool_topic_identities::a_subscription_ends_at_its_expiration"

_OTHER_DESTINATIONS = (
    "EventHub",
    "HybridConnection",
    "MonitorAlert",
    "NamespaceTopic",
    "PartnerDestination",
    "ServiceBusQueue",
    "ServiceBusTopic",
)

_BATCHED: Table = {
    "maxEventsPerBatch": used(_BATCHES, int),
    "preferredBatchSizeInKilobytes": used(_BATCHES, int),
    "deliveryAttributeMappings": refused(_HEADERS, list),
}
_STORAGE_QUEUE: Table = {
    "properties": {
        "resourceId": used(_QUEUE),
        "queueName": used(_QUEUE),
        "queueMessageTimeToLiveInSeconds": used(_QUEUE, int),
    }
}
_DESTINATION: Shape = choice(
    "endpointType",
    {},
    {
        "AzureFunction": {"properties": {"resourceId": used(_FUNCTION), **_BATCHED}},
        "WebHook": {
            "properties": {
                "endpointUrl": used(_DELIVERED),
                "endpointBaseUrl": read_only(str),
                "azureActiveDirectoryTenantId": refused("webhooks are called without a token", str),
                "azureActiveDirectoryApplicationIdOrUri": refused("webhooks are called without a token", str),
                "minimumTlsVersionAllowed": stored("webhooks of tests are on this machine"),
                **_BATCHED,
            }
        },
        "StorageQueue": _STORAGE_QUEUE,
        **{name: refused(_ELSEWHERE) for name in _OTHER_DESTINATIONS},
    },
)
_DESTINATION_WITH_IDENTITY: Shape = choice(
    "endpointType",
    {},
    {
        "StorageQueue": _STORAGE_QUEUE,
        **{name: refused(_WITHOUT_TOKEN) for name in ("AzureFunction", "WebHook")},
        **{name: refused(_ELSEWHERE) for name in _OTHER_DESTINATIONS},
    },
)
_TOPIC_IDENTITY: Table = {"type": used(_AS_TOPIC), "userAssignedIdentity": used(_AS_TOPIC)}
_NUMBER = ("GreaterThan", "GreaterThanOrEquals", "LessThan", "LessThanOrEquals")
_NUMBERS = ("In", "NotIn", "InRange", "NotInRange")
_TEXTS = ("Contains", "BeginsWith", "EndsWith", "In")
_VALUE: Table = {"value": used(_OPERATORS, ANY)}
_VALUES: Table = {"values": used(_OPERATORS, list)}
_FILTERS: dict[str, Table] = {
    "BoolEquals": _VALUE,
    "IsNotNull": {},
    "IsNullOrUndefined": {},
    **{f"Number{name}": _VALUE for name in _NUMBER},
    **{f"Number{name}": _VALUES for name in _NUMBERS},
    **{f"String{negation}{name}": _VALUES for name in _TEXTS for negation in ("", "Not")},
}
_FILTER: Table = {
    "includedEventTypes": used("unit/tidepool_filters::event_types", list),
    "subjectBeginsWith": used(_SUBJECT),
    "subjectEndsWith": used(_SUBJECT),
    "isSubjectCaseSensitive": used(_SUBJECT, bool),
    "enableAdvancedFilteringOnArrays": used(
        "unit/tidepool_filters::arrays_are_looked_into_only_when_asked", bool
    ),
    "advancedFilters": items(choice("operatorType", {"key": used(_OPERATORS)}, _FILTERS)),
}
_DEAD_LETTERS: Shape = choice(
    "endpointType",
    {},
    {"StorageBlob": {"properties": {"resourceId": used(_DEAD), "blobContainerName": used(_DEAD)}}},
)
SUBSCRIPTION: Table = {
    **RESOURCE,
    "properties": {
        "destination": _DESTINATION,
        "filter": _FILTER,
        "eventDeliverySchema": used(
            _CLOUD_EVENTS,
            only=("EventGridSchema", "CloudEventSchemaV1_0"),
            reason="topics have no input schema of their own",
        ),
        "retryPolicy": {
            "maxDeliveryAttempts": used(_DEAD, int),
            "eventTimeToLiveInMinutes": used(_DEAD, int),
        },
        "deadLetterDestination": _DEAD_LETTERS,
        "labels": stored("they describe the subscription for people", list),
        "expirationTimeUtc": used(_ENDS),
        "deliveryWithResourceIdentity": {
            "identity": _TOPIC_IDENTITY,
            "destination": _DESTINATION_WITH_IDENTITY,
        },
        "deadLetterWithResourceIdentity": {
            "identity": _TOPIC_IDENTITY,
            "deadLetterDestination": _DEAD_LETTERS,
        },
        "topic": read_only(str),
        "provisioningState": read_only(str),
    },
}
_NO_KEYS = "integration/tidepool_template::a_custom_topic_without_keys_accepts_only_tokens"
TOPIC: Table = {
    **LOCATED,
    # azure-cli sends these, and Azure's public types of this version do not have them.
    "sku": unlisted(refused("topics are of the level Basic", dict, only=({"name": "Basic"},))),
    "kind": unlisted(refused("there is no Kubernetes", str, only=("Azure",))),
    "extendedLocation": unlisted(refused("there is no Kubernetes", dict)),
    "identity": IDENTITY,
    "properties": {
        "inputSchema": refused("topics have no schema of their own", str, only=("EventGridSchema",)),
        "inputSchemaMapping": refused("topics have no schema of their own", dict),
        "disableLocalAuth": used(_NO_KEYS, bool),
        "minimumTlsVersionAllowed": stored("Tidepool speaks TLS 1.2 and later"),
        "publicNetworkAccess": stored("there is no network: every program reaches every topic"),
        "inboundIpRules": stored("there is no network: every program reaches every topic", list),
        "dataResidencyBoundary": stored("there is one region"),
        "eventTypeInfo": stored("it describes the events for people", dict),
        "endpoint": read_only(str),
        "metricResourceId": read_only(str),
        "privateEndpointConnections": read_only(list),
        "provisioningState": read_only(str),
    },
}
SYSTEM_TOPIC: Table = {
    **LOCATED,
    "identity": IDENTITY,
    "properties": {
        "source": used(_AS_TOPIC),
        "topicType": used("integration/tidepool_topic_identities::a_system_topic_that_cannot_be_is_refused"),
        "metricResourceId": read_only(str),
        "provisioningState": read_only(str),
    },
}
