"""Closed forms with known answers: how far a rare mark moves a prediction, from counts, norms and penalties.

One idea a file: kernel ridge regression, what noise and weight decay are as penalties, logistic regression with weight
decay, its softmax version, gradient flow without decay, the neural tangent kernel, from a shift to the spurious
score, and the weight decay that keeps it low. Everything is computed in float64.
"""

from spurlab.theory.flow import kappa_flow as kappa_flow
from spurlab.theory.flow import kappa_of_flow as kappa_of_flow
from spurlab.theory.flow import shift_flow as shift_flow
from spurlab.theory.flow import time_at as time_at
from spurlab.theory.logistic import count_at as count_at
from spurlab.theory.logistic import decay_at as decay_at
from spurlab.theory.logistic import kappa as kappa
from spurlab.theory.logistic import kappa_of_shift as kappa_of_shift
from spurlab.theory.logistic import shift_logistic as shift_logistic
from spurlab.theory.logistic import shift_logistic_limit as shift_logistic_limit
from spurlab.theory.needed import decay_needed as decay_needed
from spurlab.theory.needed import decay_that_needs_itself as decay_that_needs_itself
from spurlab.theory.ntk import ntk_outputs as ntk_outputs
from spurlab.theory.ntk import ntk_relu as ntk_relu
from spurlab.theory.ntk import ntk_rise as ntk_rise
from spurlab.theory.penalties import decay_of_noise as decay_of_noise
from spurlab.theory.penalties import decay_of_ridge as decay_of_ridge
from spurlab.theory.penalties import ridge_of_decay as ridge_of_decay
from spurlab.theory.penalties import ridge_of_noise as ridge_of_noise
from spurlab.theory.ridge import predict_ridge as predict_ridge
from spurlab.theory.ridge import shift_ridge as shift_ridge
from spurlab.theory.score import score_of_shift as score_of_shift
from spurlab.theory.score import shift_of_score as shift_of_score
from spurlab.theory.score import shifts_needed as shifts_needed
from spurlab.theory.softmax import shift_softmax as shift_softmax
from spurlab.theory.squares import shift_squares as shift_squares
