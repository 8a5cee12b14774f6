include %D%/unit/module.mk
