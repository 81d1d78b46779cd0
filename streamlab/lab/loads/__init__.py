"""Loads: what producers and consumers run, at which rates and with which faults, while somebody watches.

    Load        what to run: rates, keys, sizes, handler time, failures, settings    load.py, a file of JSON
    Desired     the load that somebody wants now, in Redis                           desired.py
    supervisor  makes it so: starts, restarts and stops processes                    manager.py
    processes   real producers and consumers, which follow changes while they run    sending.py, handling.py

A load has a topic and a group of its own, `lab-NAME` and `lab-NAME-readers`, and touches no others.
"""
