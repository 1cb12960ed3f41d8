"""All claims of the paper, in the order of their numbers."""

from ich_jax.studies.paper import claims_design, claims_people, claims_review

CLAIMS = tuple(
    sorted(claims_people.CLAIMS + claims_review.CLAIMS + claims_design.CLAIMS, key=lambda claim: claim.number)
)
