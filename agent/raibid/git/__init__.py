"""Git's own command line, as every part of the pool runs it that is no build: quiet, bounded, without secrets in sight.

Owns: the process and its environment, credentials by helper, bounded room for it to work in.
Leaves to others: which URL may be asked (`raibid.mirror.guard`, `raibid.gitops`), what is asked of it.
"""
