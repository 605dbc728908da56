"""The registry: which release each environment pins, what its fleet proved, and every move.

Nothing here is a database. Environment files pin (`environments`), the models folder and the model
store hold the bytes (`releases`), the fleets' own deployments say what was healthy (`cloud`), and
`environments/promotions.jsonl` is the trail (`history`). `moves` has the rules that tie them.
"""
