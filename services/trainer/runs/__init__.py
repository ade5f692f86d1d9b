"""The runs of a job: one network, one for each seed or fold, or a search for the network that suits the data.

Here `networks` and `learning` come together; this room imports both and what they rest on.
`publication` stands beside it, and neither imports the other.
"""
