"""Kills a process that writes to a store, again and again, and looks whether a request was lost or half done.

worker      what is killed: requests in a loop, each said before and after
replay      what the store has to hold then
"""
