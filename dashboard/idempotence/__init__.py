"""Handle an event once, with the note of it in your own SQL transaction. A Django app that stands alone.

    INSTALLED_APPS = [..., "dashboard.idempotence"]

    from dashboard.idempotence.once import once

    def handle(record, context):
        with once("billing", record_id(record)) as first:
            if first:
                Invoice.objects.create(...)

docs/idempotence.md says what this promises and what not.
"""
