"""A form of a page is sent back as a browser would send it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from raibid.forge.gitea.page_form import form_of

PAGE = """
<input name="outside" value="x">
<form method="post"><input type="hidden" name="action" value="mirror-sync"><input name="other" value="1"></form>
<form class="ui form" method="post">
  <input type="hidden" name="action" value="mirror">
  <input id="enable_prune" name="enable_prune" type="checkbox" checked>
  <input name="interval" value="8h0m0s">
  <input name="mirror_address" value="https://example.org/?a=1&amp;b=%22" required>
  <input name="mirror_password" type="password" placeholder="(Unchanged)" value="">
  <input name="mirror_lfs" type="checkbox" >
  <input name="mirror_lfs_endpoint" value="https://lfs.example.org">
  <input type="submit">
</form>
"""


def test_a_form_goes_back_as_a_browser_would_send_it() -> None:
    assert form_of(PAGE, "mirror") == {
        "action": "mirror",
        "enable_prune": "on",
        "interval": "8h0m0s",
        "mirror_address": "https://example.org/?a=1&b=%22",
        "mirror_password": "",
        "mirror_lfs_endpoint": "https://lfs.example.org",
    }  # a box that is not ticked is not sent


def test_a_page_without_that_form_has_none() -> None:
    assert form_of(PAGE, "delete") is None


@given(st.text("<>/='\" abformiput&;!-[]", max_size=200))
def test_no_page_makes_it_raise(page: str) -> None:
    form_of(page, "mirror")
