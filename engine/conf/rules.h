/* SPDX-License-Identifier: MIT
 * What settings must hold together: no name twice, nothing beyond loopback by accident.
 *
 * Owns:    nothing.
 * Threads: any.
 * Errors:  told through the document, so that each names its line and column.
 */
#ifndef NBX_CONF_RULES_H
#define NBX_CONF_RULES_H

#include "engine/conf/doc.h"

/* Checks all rules; the number of errors. Names that could not be read are NULL and passed over;
 * where events_whole is false some event could not be read, and what holds over all is not judged.
 */
size_t nbx_conf__rules(const struct nbx_conf *conf, const struct conf_doc *doc, bool events_whole);

#endif
