"""Which training examples teach a network a mark that nobody named: scores of examples, the highest first."""

from spurlab.audit.detect.table import DETECTORS as DETECTORS
from spurlab.audit.detect.table import TRAINING_DETECTORS as TRAINING_DETECTORS
from spurlab.audit.detect.table import Detector as Detector
from spurlab.audit.detect.table import TrainingDetector as TrainingDetector
