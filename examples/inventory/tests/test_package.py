import inventory


def test_package_has_a_description() -> None:
    assert inventory.__doc__
