"""Extraction: how much of a planted pattern can be read from a network alone, without training data?"""

from spurlab.privacy.extraction.extraction import Domain as Domain
from spurlab.privacy.extraction.extraction import Extraction as Extraction
from spurlab.privacy.extraction.extraction import total_variation as total_variation
from spurlab.privacy.extraction.first_layer import FirstLayer as FirstLayer
from spurlab.privacy.extraction.first_layer import linear_layers as linear_layers
from spurlab.privacy.extraction.input_gradient import InputGradient as InputGradient
from spurlab.privacy.extraction.inversion import TriggerInversion as TriggerInversion
from spurlab.privacy.extraction.resemblance import Resemblance as Resemblance
from spurlab.privacy.extraction.resemblance import as_pattern as as_pattern
from spurlab.privacy.extraction.resemblance import extracted_score as extracted_score
from spurlab.privacy.extraction.resemblance import resemblance as resemblance
from spurlab.privacy.extraction.table import EXTRACTIONS as EXTRACTIONS
from spurlab.privacy.extraction.table import extracted as extracted
from spurlab.privacy.extraction.table import extraction_named as extraction_named
