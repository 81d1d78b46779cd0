"""Alerts: rules that somebody made, what they found, and who was told of it.

    look: what is known now (gather.py) → readings (conditions.py) → transitions (judge.py), both pure
          → rows, and a notice for every channel, in one transaction (look.py)
    tell: each notice to its receiver, in order, until it answers (teller.py, channels/)

One process does both (`manage.py watch_alerts`). It needs no browser, no Celery and, to say that Redis is gone, no
Redis. Everything that it must remember is in the database, so it may be killed anywhere.
"""
