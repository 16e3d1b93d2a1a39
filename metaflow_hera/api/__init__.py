"""Running and deploying flows from Python in processes of their own: `Runner`, `Deployer`, and both for notebooks.

What a flow's file does when it is imported, its environment and its working directory stay in the flow's process. The
process is told what to do by a file, and answers by one; nobody reads its text but people.
"""
