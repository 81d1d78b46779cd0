"""Verbs of kafka-python's KafkaAdminClient that do nothing here but say why."""

from __future__ import annotations

_ACL = "Redis has users and rights of its own: ACL SETUSER and ACL LIST."
_REPLICAS = "partitions have no replicas of their own: Redis replicates whole servers."
_TRANSACTIONS = "there are no transactions."
_CLUSTER = "there is no cluster of brokers behind the URL; `streamlab doctor` tells about the server."

ABSENT: dict[str, str] = {
    "create_acls": _ACL,
    "delete_acls": _ACL,
    "describe_acls": _ACL,
    "alter_user_scram_credentials": _ACL,
    "describe_user_scram_credentials": _ACL,
    "alter_partition_reassignments": _REPLICAS,
    "alter_replica_log_dirs": _REPLICAS,
    "describe_log_dirs": _REPLICAS,
    "elect_leaders": _REPLICAS,
    "list_partition_reassignments": _REPLICAS,
    "abort_transaction": _TRANSACTIONS,
    "describe_producers": _TRANSACTIONS,
    "describe_transactions": _TRANSACTIONS,
    "find_hanging_transactions": _TRANSACTIONS,
    "list_transactions": _TRANSACTIONS,
    "api_versions": _CLUSTER,
    "describe_cluster": _CLUSTER,
    "describe_features": _CLUSTER,
    "describe_metadata_quorum": _CLUSTER,
    "get_broker_version_data": _CLUSTER,
    "update_features": _CLUSTER,
    "describe_topic_partitions": "use describe_topics(): its answer is never so long that it needs a cursor.",
    "delete_group_offsets": "use delete_groups(), or alter_group_offsets() to move single partitions.",
}
"""Method → why it is absent and what to use. A method that the core's Admin gains is used in spite of its line here."""
