/* SPDX-License-Identifier: MIT */
#include "engine/customer/consent.h"

uint8_t nbx_consent_withdrawn(const struct nbx_value *consent)
{
    static const struct {
        const char *name;
        enum nbx_purpose purpose;
    } purposes[] = {{"personalise", NBX_PURPOSE_PERSONALISE},
                    {"profile", NBX_PURPOSE_PROFILE},
                    {"train", NBX_PURPOSE_TRAIN},
                    {"contact", NBX_PURPOSE_CONTACT},
                    {"share", NBX_PURPOSE_SHARE}};
    unsigned withdrawn = 0;
    for (size_t i = 0; consent && i < sizeof purposes / sizeof *purposes; i++) {
        const struct nbx_value *given = nbx_value_get(consent, purposes[i].name);
        if (given && given->type == NBX_BOOL && !given->b)
            withdrawn |= purposes[i].purpose;
    }
    return (uint8_t)withdrawn;
}
