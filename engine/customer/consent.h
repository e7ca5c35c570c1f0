/* SPDX-License-Identifier: MIT
 * Consent: what a customer may be used for.
 *
 * Why:     what was withdrawn stands in the identity, which every request reads anyhow, so that
 *          heeding it costs no read.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  none.
 */
#ifndef NBX_CUSTOMER_CONSENT_H
#define NBX_CUSTOMER_CONSENT_H

#include "engine/base/value.h"

#include <stdint.h>

/* A bit each, as identities store them. */
enum nbx_purpose {
    NBX_PURPOSE_PERSONALISE = 1, /* answers that follow what is known of the customer */
    NBX_PURPOSE_PROFILE = 2,     /* keeping what the customer does */
    NBX_PURPOSE_TRAIN = 4,       /* learning models from it */
    NBX_PURPOSE_CONTACT = 8,
    NBX_PURPOSE_SHARE = 16,
    NBX_PURPOSES_ALL = 31
};

/* The purposes that the consents, a map of purpose to bool or NULL, withdraw: those that are false
 * there. What is not said is not withdrawn; other names are none of these. */
uint8_t nbx_consent_withdrawn(const struct nbx_value *consent);

#endif
