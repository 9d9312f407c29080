"""What is kept and how it becomes durable (design note storage).

``interface`` is the seam; ``memory`` and ``sqlite`` are two stores behind it; ``records``, ``blob`` and
``audit`` are the pure half that every store shares.
"""
