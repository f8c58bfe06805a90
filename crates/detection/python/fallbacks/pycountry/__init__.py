"""Stands in for pycountry: countries by their ISO 3166-1 codes or names."""

_COUNTRIES = """
AW ABW Aruba|AF AFG Afghanistan|AO AGO Angola|AI AIA Anguilla|AX ALA Åland Islands|AL ALB Albania|AD AND Andorra
AE ARE United Arab Emirates|AR ARG Argentina|AM ARM Armenia|AS ASM American Samoa|AQ ATA Antarctica
TF ATF French Southern Territories|AG ATG Antigua and Barbuda|AU AUS Australia|AT AUT Austria|AZ AZE Azerbaijan
BI BDI Burundi|BE BEL Belgium|BJ BEN Benin|BQ BES Bonaire, Sint Eustatius and Saba|BF BFA Burkina Faso
BD BGD Bangladesh|BG BGR Bulgaria|BH BHR Bahrain|BS BHS Bahamas|BA BIH Bosnia and Herzegovina
BL BLM Saint Barthélemy|BY BLR Belarus|BZ BLZ Belize|BM BMU Bermuda|BO BOL Bolivia, Plurinational State of|BR BRA Brazil
BB BRB Barbados|BN BRN Brunei Darussalam|BT BTN Bhutan|BV BVT Bouvet Island|BW BWA Botswana
CF CAF Central African Republic|CA CAN Canada|CC CCK Cocos (Keeling) Islands|CH CHE Switzerland|CL CHL Chile|CN CHN China
CI CIV Côte d'Ivoire|CM CMR Cameroon|CD COD Congo, The Democratic Republic of the|CG COG Congo|CK COK Cook Islands
CO COL Colombia|KM COM Comoros|CV CPV Cabo Verde|CR CRI Costa Rica|CU CUB Cuba|CW CUW Curaçao|CX CXR Christmas Island
KY CYM Cayman Islands|CY CYP Cyprus|CZ CZE Czechia|DE DEU Germany|DJ DJI Djibouti|DM DMA Dominica|DK DNK Denmark
DO DOM Dominican Republic|DZ DZA Algeria|EC ECU Ecuador|EG EGY Egypt|ER ERI Eritrea|EH ESH Western Sahara|ES ESP Spain
EE EST Estonia|ET ETH Ethiopia|FI FIN Finland|FJ FJI Fiji|FK FLK Falkland Islands (Malvinas)|FR FRA France
FO FRO Faroe Islands|FM FSM Micronesia, Federated States of|GA GAB Gabon|GB GBR United Kingdom|GE GEO Georgia
GG GGY Guernsey|GH GHA Ghana|GI GIB Gibraltar|GN GIN Guinea|GP GLP Guadeloupe|GM GMB Gambia|GW GNB Guinea-Bissau
GQ GNQ Equatorial Guinea|GR GRC Greece|GD GRD Grenada|GL GRL Greenland|GT GTM Guatemala|GF GUF French Guiana|GU GUM Guam
GY GUY Guyana|HK HKG Hong Kong|HM HMD Heard Island and McDonald Islands|HN HND Honduras|HR HRV Croatia|HT HTI Haiti
HU HUN Hungary|ID IDN Indonesia|IM IMN Isle of Man|IN IND India|IO IOT British Indian Ocean Territory|IE IRL Ireland
IR IRN Iran, Islamic Republic of|IQ IRQ Iraq|IS ISL Iceland|IL ISR Israel|IT ITA Italy|JM JAM Jamaica|JE JEY Jersey
JO JOR Jordan|JP JPN Japan|KZ KAZ Kazakhstan|KE KEN Kenya|KG KGZ Kyrgyzstan|KH KHM Cambodia|KI KIR Kiribati
KN KNA Saint Kitts and Nevis|KR KOR Korea, Republic of|KW KWT Kuwait|LA LAO Lao People's Democratic Republic
LB LBN Lebanon|LR LBR Liberia|LY LBY Libya|LC LCA Saint Lucia|LI LIE Liechtenstein|LK LKA Sri Lanka|LS LSO Lesotho
LT LTU Lithuania|LU LUX Luxembourg|LV LVA Latvia|MO MAC Macao|MF MAF Saint Martin (French part)|MA MAR Morocco
MC MCO Monaco|MD MDA Moldova, Republic of|MG MDG Madagascar|MV MDV Maldives|MX MEX Mexico|MH MHL Marshall Islands
MK MKD North Macedonia|ML MLI Mali|MT MLT Malta|MM MMR Myanmar|ME MNE Montenegro|MN MNG Mongolia
MP MNP Northern Mariana Islands|MZ MOZ Mozambique|MR MRT Mauritania|MS MSR Montserrat|MQ MTQ Martinique|MU MUS Mauritius
MW MWI Malawi|MY MYS Malaysia|YT MYT Mayotte|NA NAM Namibia|NC NCL New Caledonia|NE NER Niger|NF NFK Norfolk Island
NG NGA Nigeria|NI NIC Nicaragua|NU NIU Niue|NL NLD Netherlands|NO NOR Norway|NP NPL Nepal|NR NRU Nauru|NZ NZL New Zealand
OM OMN Oman|PK PAK Pakistan|PA PAN Panama|PN PCN Pitcairn|PE PER Peru|PH PHL Philippines|PW PLW Palau
PG PNG Papua New Guinea|PL POL Poland|PR PRI Puerto Rico|KP PRK Korea, Democratic People's Republic of|PT PRT Portugal
PY PRY Paraguay|PS PSE Palestine, State of|PF PYF French Polynesia|QA QAT Qatar|RE REU Réunion|RO ROU Romania
RU RUS Russian Federation|RW RWA Rwanda|SA SAU Saudi Arabia|SD SDN Sudan|SN SEN Senegal|SG SGP Singapore
GS SGS South Georgia and the South Sandwich Islands|SH SHN Saint Helena, Ascension and Tristan da Cunha
SJ SJM Svalbard and Jan Mayen|SB SLB Solomon Islands|SL SLE Sierra Leone|SV SLV El Salvador|SM SMR San Marino
SO SOM Somalia|PM SPM Saint Pierre and Miquelon|RS SRB Serbia|SS SSD South Sudan|ST STP Sao Tome and Principe
SR SUR Suriname|SK SVK Slovakia|SI SVN Slovenia|SE SWE Sweden|SZ SWZ Eswatini|SX SXM Sint Maarten (Dutch part)
SC SYC Seychelles|SY SYR Syrian Arab Republic|TC TCA Turks and Caicos Islands|TD TCD Chad|TG TGO Togo|TH THA Thailand
TJ TJK Tajikistan|TK TKL Tokelau|TM TKM Turkmenistan|TL TLS Timor-Leste|TO TON Tonga|TT TTO Trinidad and Tobago
TN TUN Tunisia|TR TUR Türkiye|TV TUV Tuvalu|TW TWN Taiwan, Province of China|TZ TZA Tanzania, United Republic of
UG UGA Uganda|UA UKR Ukraine|UM UMI United States Minor Outlying Islands|UY URY Uruguay|US USA United States
UZ UZB Uzbekistan|VA VAT Holy See (Vatican City State)|VC VCT Saint Vincent and the Grenadines
VE VEN Venezuela, Bolivarian Republic of|VG VGB Virgin Islands, British|VI VIR Virgin Islands, U.S.|VN VNM Viet Nam
VU VUT Vanuatu|WF WLF Wallis and Futuna|WS WSM Samoa|YE YEM Yemen|ZA ZAF South Africa|ZM ZMB Zambia|ZW ZWE Zimbabwe
"""


class Country:
    """One country."""

    def __init__(self, alpha_2, alpha_3, name):
        self.alpha_2 = alpha_2
        self.alpha_3 = alpha_3
        self.name = name

    def __repr__(self):
        return f"Country(alpha_2={self.alpha_2!r}, alpha_3={self.alpha_3!r}, name={self.name!r})"


class _Countries:
    def __init__(self):
        entries = (entry for line in _COUNTRIES.strip().splitlines() for entry in line.split("|"))
        self._all = [Country(*entry.split(" ", 2)) for entry in entries]

    def __iter__(self):
        return iter(self._all)

    def __len__(self):
        return len(self._all)

    def get(self, *, default=None, **asked):
        """The country with the one code or name asked for, whatever its case."""
        if len(asked) != 1:
            raise TypeError("Only one criteria may be given")
        ((field, value),) = asked.items()
        wanted = str(value).lower()
        return next((country for country in self._all if str(getattr(country, field, "")).lower() == wanted), default)

    def lookup(self, value):
        """The country that has this as a code or name."""
        wanted = value.strip().lower()
        for country in self._all:
            if wanted in (country.alpha_2.lower(), country.alpha_3.lower(), country.name.lower()):
                return country
        raise LookupError(f"Could not find a record for {value!r}")


countries = _Countries()
