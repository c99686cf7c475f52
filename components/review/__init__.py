"""A change of the stack, as a reviewer reads it: files, budget, resources, violations, in one comment.

Owns: rendering a revision, comparing two renderings, the comment's text, putting it on the pull request.
Leaves to others: running previews (`engine`), the rules (`policies`), the workflow (`.gitea/workflows/preview.yaml`).
"""
