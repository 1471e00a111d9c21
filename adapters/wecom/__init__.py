"""WeCom 企业微信: a self-built app, group webhooks, 微信客服 and AI bots."""
