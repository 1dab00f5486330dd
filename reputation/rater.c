/* SPDX-License-Identifier: Apache-2.0 */
/* See rater.h. */
#include "reputation/rater.h"

double
rater_variety(double good, double bad)
{
	double all = good + bad;
	double rarer = good < bad ? good : bad;
	double share;

	if (all <= 0)
		return RATER_NEW;
	share = (rarer + 1) / (all + RATER_DOUBT) / RATER_VARIED_AT;
	return RATER_UNVARIED + (1 - RATER_UNVARIED) * (share < 1 ? share : 1);
}

/* In how many ways so many providers can be chosen out of all. */
static double
choices(size_t all, size_t chosen)
{
	double ways = 1;

	for (size_t i = 0; i < chosen; i++)
		ways *= (double)(all - i) / (double)(i + 1);
	return ways;
}

double
rater_company(size_t same, size_t raters, size_t providers, size_t favourites)
{
	double usual;

	if (favourites == 0 || favourites > providers)
		return 1;
	usual = RATER_CHANCE_TIMES * (double)raters /
		choices(providers, favourites);
	if (usual < RATER_COMPANY_LEAST)
		usual = RATER_COMPANY_LEAST;
	return (double)same <= usual ? 1 : usual / (double)same;
}
