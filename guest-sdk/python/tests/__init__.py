"""The tests of the package. They need a Python and nothing else:

cd guest-sdk/python && python3 -m unittest
"""
