"""The sample's unit tests, on the standard library alone."""

import unittest

from greeter import greet


class GreetTest(unittest.TestCase):
    """What a greeting must say."""

    def test_greets_by_name(self) -> None:
        """Spaces around a name are not part of it."""
        self.assertEqual(greet(" Ada "), "Hello, Ada!")

    def test_greets_the_world_when_there_is_no_name(self) -> None:
        """Nobody in particular is the world."""
        self.assertEqual(greet("  "), "Hello, world!")
