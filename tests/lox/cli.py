def cases_in(scratch): return []
