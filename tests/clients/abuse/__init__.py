"""The drivers of `test_abuse.py` and `test_overload.py`.

In the first there are attackers, and honest clients beside them, each side a process of its own.

`wire` speaks HTTP as far as attackers need it, `attacks` has one function an attack, `honest` has the clients whose
answers are counted, `measure` watches the process under attack, and `sides` starts both sides and gathers the figures.
In the second nobody attacks: `crowd` has clients of several manners, and `overload` starts them and gathers the figures.

An attack is capped in its rate, so that a core stays free: it shows what bounds memory, disk and the honest clients'
share of the service, and not how fast this machine is.
"""
