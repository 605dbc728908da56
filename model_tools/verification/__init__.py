"""Does an artifact answer as it should, on every engine, and if not, why?"""
