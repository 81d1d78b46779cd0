"""Events of Django models, written in the transaction of the change that they tell of."""
