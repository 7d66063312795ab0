/**
 * @file
 * exp and log in double precision, without a C library.
 *
 * Double, although a Cortex-M4F has to compute it in software: the host's predictor is in double
 * precision, and both have to sort an input into the same bin.
 */
#ifndef EINF_REAL_H
#define EINF_REAL_H

/** e to the x, of 700 for what is above it, 0 below -700. Relative error below 1e-15. */
double einf_exp(double x);

/** Natural logarithm of a normal positive number. Relative error below 1e-15, absolute near 1. */
double einf_log(double x);

#endif
