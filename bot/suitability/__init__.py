"""Risk capacity (风险承受能力), the product shelf, and recommendation (docs/suitability.md).

`levels` the matrix · `limits` how often and how long · `profile` what is on file · `questionnaire` and
`scoring` the test · `products` the shelf · `needs` and `recommend` what to show · `intents` what is wanted
· `wording` what texts may not say · `shelf` both files, live. The conversation is `bot.rails.suitability`.
"""
