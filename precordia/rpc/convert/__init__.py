"""Between the wire and the values: one module a kind of thing, `x_to_proto` and `x_from_proto` in each."""
