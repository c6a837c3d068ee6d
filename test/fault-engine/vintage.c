/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The one object that differs between the builds of the engine (vintage.h).
 */
#include "vintage.h"

#ifndef VINTAGE
#define VINTAGE 80
#endif

const unsigned vintage = VINTAGE;
