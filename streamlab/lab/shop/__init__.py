"""A shop that lives, for machines without a data file. Everything about it says that it is simulated.

    storefront      invents customers who order; each order is paid, packed, shipped and delivered in its time
    revenue         adds up what was paid, by country          2 consumers
    inventory       takes what was ordered off the stock       1 consumer
    notifications   writes to customers, slowly                1 consumer: behind by day, caught up by night

Each is a process of its own; the manager starts them and keeps as many as are wanted. A day passes in 24
minutes, so that there is something to see.
"""
