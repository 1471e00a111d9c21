"""What a decrypted callback says, as a flat mapping of names to texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

__all__ = ["XmlError", "read_xml"]

MOST: Final = 200
"""Elements at most; WeCom's own callbacks have about twenty."""


class XmlError(ValueError):
    """Not the XML of a callback."""


def read_xml(data: bytes) -> Mapping[str, str]:
    """The texts of the root's children by name; of a name given twice, the first. What is nested deeper
    is left out: no callback that is handled here has it.

    Raises:
        XmlError: not XML, with a document type or entities, or larger than any callback.
    """
    try:
        root = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise XmlError(f"not XML: {type(error).__name__}") from None
    if len(root) > MOST:
        raise XmlError(f"more than {MOST} elements")
    fields: dict[str, str] = {}
    for child in root:
        if isinstance(child.tag, str):
            fields.setdefault(child.tag, child.text or "")
    return fields
