"""How fast is it, next to what else one could do with the same Redis?

    python -m benchmarks                 everything, and the result goes to benchmarks/RESULTS.md
    python -m benchmarks produce consume some parts, only printed
    python -m benchmarks --quick         small counts: shows that it runs, proves nothing

`server` (one Redis of our own) and `records` are what all parts work on, `rounds` takes turns between contestants,
`produce consume latency groups snapshot` measure, `findings` is what comes out, `report` and `machine` write it down.
"""
