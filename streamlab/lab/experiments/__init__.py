"""Experiments: one setting, two or more values, measured in turn; what changed, how sure that is, and what it cost.

    plan      which setting, which values, how long, how often                plan.py
    run       note what there is, change, wait, measure, again, put back      runner.py
    measure   one window: rates, lag, latencies, batches, bytes, CPU          measuring.py
    judge     effect, confidence interval, words                              judging.py, with scipy
    sum up    what it found, in a line                                        summary.py
    reach     how many rounds a verdict takes, said beforehand                reach.py

While one runs, a note in Redis says what to put back. It is written before the first change and deleted after the last,
so a process that is killed leaves a note, and the lab or the next experiment puts back what it says.
"""
