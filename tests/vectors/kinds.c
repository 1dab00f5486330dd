/* SPDX-License-Identifier: Apache-2.0 */
/* Which function runs which index: a new kind is one file and one row. */
#include "tests/vectors/vectors.h"

/* clang-format off */
const struct vector_kind vector_kinds[] = {
	{"nvidia", "nvidia/cases.json", NULL, vector_nvidia},
	{"nvidia synthetic", "nvidia/synthetic/cases.json", NULL,
	    vector_nvidia},
	{"nras", "nras/cases.json", NULL, vector_nras},
	{"tdx",           "tdx/cases.json",           NULL, vector_tdx},
	{"tdx synthetic", "tdx/synthetic/cases.json", NULL, vector_tdx},
	{"apple", "apple/cases.json", NULL, vector_apple},
	{"snp",           "snp/cases.json",           NULL, vector_snp},
	{"snp synthetic", "snp/synthetic/cases.json", NULL, vector_snp},
	{"contrast", "contrast/cases.json", "manifest_cases",
	    vector_contrast_manifest},
	{"contrast", "contrast/cases.json", "report_data",
	    vector_contrast_report_data},
	{NULL, NULL, NULL, NULL},
};
/* clang-format on */
const size_t vector_kind_count =
    sizeof(vector_kinds) / sizeof(vector_kinds[0]) - 1;
